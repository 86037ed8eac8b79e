/** Version of this program, as `--version` and error reports show it. */
export { VERSION } from "../stage0/version.ts";
