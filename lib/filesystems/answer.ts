/** What is held is answered at once: a promise each would be half the time of a small file. */
export type Answer<T> = T | Promise<T>;

/** Goes on with an answer, at once when it is there. */
export function then<T, U>(answer: Answer<T>, next: (value: T) => Answer<U>): Answer<U> {
  return answer instanceof Promise ? answer.then(next) : next(answer);
}
