/** Version of this program, as `--version`, error reports and build stamps show it. */
export const VERSION = "0.1.0";
