/**
 * Asks one bootloader the questions of many profiles.
 *
 * A variable is asked once per device, whatever came. Bootloaders disagree about one they do not know:
 * FAIL (as AOSP says), an empty OKAY, or the word "unknown"; all three count as missing.
 */
import type { DeviceProfile, ProbeStep } from "./device_profile.ts";

/** The value of a variable, undefined when the bootloader said FAIL. */
export type Getvar = (name: string) => Promise<string | undefined>;

export class Prober {
  readonly #getvar: Getvar;
  readonly #values = new Map<string, string | undefined>();

  /** One prober belongs to one opened device. */
  constructor(getvar: Getvar) {
    this.#getvar = getvar;
  }

  /** Whether every step passes; stops at the first that does not. Errors of `getvar` pass through. */
  async fits(profile: DeviceProfile): Promise<boolean> {
    for (const step of profile.probe) {
      if (!passes(step, await this.#value(step.name))) return false;
    }
    return true;
  }

  async #value(name: string): Promise<string | undefined> {
    if (!this.#values.has(name)) this.#values.set(name, await this.#getvar(name));
    return this.#values.get(name);
  }
}

/** Values compare exactly, case and spaces included. */
function passes(step: ProbeStep, value: string | undefined): boolean {
  const missing = value === undefined || /^(unknown)?$/i.test(value.trim());
  switch (step.type) {
    case "equals":
      return !missing && value === step.value;
    case "starts-with":
      return !missing && value.startsWith(step.value);
    case "not-equals":
      return missing || value !== step.value;
    case "exists":
      return !missing;
    case "not-exists":
      return missing;
  }
}
