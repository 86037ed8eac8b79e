/** The device profiles there are: those that come with fastboop, and the user's own files. */
import { printable } from "../bytes/printable.ts";
import { FastboopError } from "../errors/errors.ts";
import { type DeviceProfile, parseDeviceProfile } from "../profiles/device_profile.ts";

/** Named one by one, so that a stray file in the folder is no profile. */
export const BUNDLED_IDS = [
  "arrow-db410c",
  "google-sargo",
  "oneplus-enchilada",
  "oneplus-fajita",
  "samsung-gt510",
  "shift-axolotl",
  "virtual-aarch64",
  "virtual-x86_64",
  "xiaomi-beryllium-ebbg",
  "xiaomi-beryllium-tianma",
] as const;

export interface LoadProfilesOptions {
  /** A user's file that is skipped, and why. */
  onWarning?: (text: string) => void;
  /** Of the process; by default read as far as Deno lets us. */
  environment?: { FASTBOOP_SCHEMA_PATH?: string; XDG_CONFIG_HOME?: string; HOME?: string };
}

/** The profiles that come with fastboop, sorted by id. */
export async function loadBundledProfiles(): Promise<DeviceProfile[]> {
  const folder = `${import.meta.dirname}/../profiles/devices`;
  return await Promise.all(BUNDLED_IDS.map(async (id) => {
    return parseDeviceProfile(await Deno.readTextFile(`${folder}/${id}.yaml`), `profile ${id}`);
  }));
}

/**
 * All profiles, sorted by id; a user's file replaces the bundled profile of the same id. Folders: those
 * of `FASTBOOP_SCHEMA_PATH` (separated by `:`), then `$XDG_CONFIG_HOME/fastboop/devices`, else
 * `~/.config/fastboop/devices`. Files: `*.yaml`, `*.yml`, `*.json`, not in sub-folders. A file that
 * cannot be read is skipped with a warning.
 *
 * @throws {FastboopError} `usage` when two of the user's files have the same id.
 */
export async function loadProfiles(options: LoadProfilesOptions = {}): Promise<DeviceProfile[]> {
  const own = new Map<string, { profile: DeviceProfile; path: string }>();
  for (const folder of userFolders(options.environment ?? readEnvironment())) {
    for (const path of await profileFiles(folder, options.onWarning)) {
      const profile = await readProfile(path, options.onWarning);
      if (!profile) continue;
      const other = own.get(profile.id);
      if (other && other.path !== path) throw sameId(profile.id, other.path, path);
      own.set(profile.id, { profile, path });
    }
  }
  const all = new Map((await loadBundledProfiles()).map((profile) => [profile.id, profile]));
  for (const [id, { profile }] of own) all.set(id, profile);
  return [...all.values()].sort((a, b) => a.id < b.id ? -1 : 1);
}

function readEnvironment(): NonNullable<LoadProfilesOptions["environment"]> {
  const read = (name: string) => {
    try {
      return Deno.env.get(name) ?? "";
    } catch {
      return ""; // started without the right to read it: as if it were not set
    }
  };
  return {
    FASTBOOP_SCHEMA_PATH: read("FASTBOOP_SCHEMA_PATH"),
    XDG_CONFIG_HOME: read("XDG_CONFIG_HOME"),
    HOME: read("HOME"),
  };
}

function userFolders(
  { FASTBOOP_SCHEMA_PATH, XDG_CONFIG_HOME, HOME }: NonNullable<LoadProfilesOptions["environment"]>,
): string[] {
  const folders = (FASTBOOP_SCHEMA_PATH ?? "").split(":").filter((folder) => folder !== "");
  const config = XDG_CONFIG_HOME || (HOME && `${HOME}/.config`);
  if (config) folders.push(`${config}/fastboop/devices`);
  return [...new Set(folders)];
}

async function profileFiles(
  folder: string,
  onWarning: LoadProfilesOptions["onWarning"],
): Promise<string[]> {
  const paths: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      if (!isDirectory && /\.(ya?ml|json)$/.test(name)) paths.push(`${folder}/${name}`);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable)) {
      onWarning?.(`Device profiles in "${printable(folder)}" are not read: ${reason(error)}`);
    }
  }
  return paths.sort();
}

async function readProfile(
  path: string,
  onWarning: LoadProfilesOptions["onWarning"],
): Promise<DeviceProfile | undefined> {
  try {
    const { size } = await Deno.stat(path);
    // parseDeviceProfile refuses it as well, but only after all of it is in memory.
    if (size > 2 ** 20) throw new Error("it is larger than 1 MiB");
    return parseDeviceProfile(await Deno.readTextFile(path), `"${path}"`);
  } catch (error) {
    onWarning?.(`Device profile "${printable(path)}" is skipped: ${reason(error)}`);
    return undefined;
  }
}

function reason(error: unknown): string {
  if (error instanceof FastboopError) return error.state;
  return printable(error instanceof Error ? error.message : String(error));
}

function sameId(id: string, first: string, second: string): FastboopError {
  return new FastboopError({
    kind: "usage",
    action: "Load the device profiles",
    state: `"${printable(first)}" and "${printable(second)}" both have the id ${id}`,
    hint: "Remove one of them or change its id",
  });
}
