/** Version of this program, as `--version` and error reports show it. */
export const VERSION = "0.1.0";
