/** Major and minor of a 32-bit device number: new_decode_dev() of include/linux/kdev_t.h. */
export function decodeDevice(device: number): { deviceMajor: number; deviceMinor: number } {
  return {
    deviceMajor: (device >>> 8) & 0xfff,
    deviceMinor: (device & 0xff) | ((device >>> 12) & 0xfff00),
  };
}
