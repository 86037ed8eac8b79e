/** Whether `openSource` would ask a server for it. */
export const isUrl = (spec: string): boolean => /^https?:/i.test(spec);
