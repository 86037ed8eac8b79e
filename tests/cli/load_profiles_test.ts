import assert from "node:assert/strict";
import { BUNDLED_IDS, loadBundledProfiles, loadProfiles } from "../../lib/cli/load_profiles.ts";

const FOLDER = new URL("../../lib/profiles/devices/", import.meta.url);

const profileText = (id: string, name: string) =>
  `{id: ${id}, display_name: ${name}, match: [], probe: [], boot: {fastboot_boot: {bootimg: ` +
  `{header_version: 0, page_size: 2048, kernel: {encoding: image}}}}}`;

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "fastboop-profiles-" });
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("the list of bundled profiles is the folder's, and each file holds its id", async () => {
  const files = [...Deno.readDirSync(FOLDER)].map(({ name }) => name).sort();
  assert.deepEqual(files, BUNDLED_IDS.map((id) => `${id}.yaml`));
  assert.deepEqual((await loadBundledProfiles()).map(({ id }) => id), [...BUNDLED_IDS]);
});

Deno.test("bundled profiles can be booted: devicetree where one is sent, modules optional", async () => {
  for (const profile of await loadBundledProfiles()) {
    const { headerVersion, kernelEncoding } = profile.bootImage;
    const sendsDtb = headerVersion === 2 || kernelEncoding.endsWith("+dtb");
    assert.equal(profile.devicetreeName !== undefined, sendsDtb, profile.id);
    assert.ok(profile.match.length > 0 && profile.probe.length > 0, profile.id);
    assert.ok(profile.kernelModules.every(({ optional }) => optional), profile.id);
    if (!profile.id.startsWith("virtual-")) {
      assert.ok(profile.kernelModules.length > 0, `${profile.id} must name its USB stack`);
    }
  }
});

Deno.test("loadProfiles() prefers the user's files, from both kinds of folder", async () => {
  await inFolder(async (folder) => {
    await Deno.mkdir(`${folder}/config/fastboop/devices/sub.yaml`, { recursive: true });
    await Deno.mkdir(`${folder}/extra`);
    const own = `${folder}/config/fastboop/devices`;
    await Deno.writeTextFile(`${own}/sargo.yaml`, profileText("google-sargo", "Mine"));
    await Deno.writeTextFile(`${own}/notes.txt`, "not a profile");
    await Deno.writeTextFile(`${folder}/extra/new.json`, profileText('"a-new"', '"New"'));
    const warnings: string[] = [];
    const profiles = await loadProfiles({
      onWarning: (text) => warnings.push(text),
      environment: {
        FASTBOOP_SCHEMA_PATH: `:${folder}/extra::/no/such/folder:`,
        XDG_CONFIG_HOME: `${folder}/config`,
      },
    });
    assert.deepEqual(warnings, []);
    assert.equal(profiles.length, BUNDLED_IDS.length + 1);
    assert.equal(profiles[0]!.id, "a-new");
    assert.equal(profiles.find(({ id }) => id === "google-sargo")!.displayName, "Mine");
    assert.deepEqual(profiles.map(({ id }) => id), profiles.map(({ id }) => id).sort());
  });
});

Deno.test("loadProfiles() falls back to ~/.config", async () => {
  await inFolder(async (folder) => {
    await Deno.mkdir(`${folder}/.config/fastboop/devices`, { recursive: true });
    await Deno.writeTextFile(`${folder}/.config/fastboop/devices/a.yml`, profileText("mine", "M"));
    const profiles = await loadProfiles({ environment: { HOME: folder } });
    assert.ok(profiles.some(({ id }) => id === "mine"));
  });
});

Deno.test("loadProfiles() skips a broken file with its reason", async () => {
  await inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/bad.yaml`, profileText("x", "X").replace("probe", "prob"));
    await Deno.writeTextFile(`${folder}/big.yaml`, "#".repeat((1 << 20) + 1));
    const warnings: string[] = [];
    const profiles = await loadProfiles({
      onWarning: (text) => warnings.push(text),
      environment: { FASTBOOP_SCHEMA_PATH: folder },
    });
    assert.equal(profiles.length, BUNDLED_IDS.length);
    assert.equal(warnings.length, 2);
    assert.match(warnings[0]!, /bad\.yaml" is skipped: prob(e: missing|: unknown key) \(line 1/);
    assert.match(warnings[1]!, /big\.yaml" is skipped: it is larger than 1 MiB/);
  });
});

Deno.test("loadProfiles() refuses two files of the user with one id", async () => {
  await inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/a.yaml`, profileText("same", "A"));
    await Deno.writeTextFile(`${folder}/b.yaml`, profileText("same", "B"));
    const environment = { FASTBOOP_SCHEMA_PATH: folder };
    await assert.rejects(loadProfiles({ environment }), {
      kind: "usage",
      state: /a\.yaml.*b\.yaml/,
    });
  });
});
