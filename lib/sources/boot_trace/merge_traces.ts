/**
 * The trace of several boots: the older order stays, and each block that only the later boot used comes where
 * it did there, behind the block that it followed. What was never used again stays too: another phone may boot
 * from the same image.
 */
export function mergeTraces(
  older: Uint32Array,
  later: readonly number[],
  mostBlocks: number,
): Uint32Array {
  const known = new Set(older);
  const followers = new Map<number, number[]>();
  let group: number[] = [];
  const first = group;
  for (const block of later) {
    if (!known.has(block)) {
      group.push(block);
      continue;
    }
    group = followers.get(block) ?? [];
    followers.set(block, group);
  }
  const merged = [...first];
  for (const block of older) {
    merged.push(block);
    for (const follower of followers.get(block) ?? []) merged.push(follower);
  }
  return Uint32Array.from(merged.slice(0, mostBlocks));
}
