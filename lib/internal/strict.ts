/**
 * Assignments that must not go unnoticed: to a property that there is not, or of an object that is only read. Each
 * runtime refuses them, but Bun does not say which property it was.
 *
 * @module
 */
import { nearest } from "../../ffi/_nearest.ts";
import { show } from "../../ffi/show.ts";

/** Words about a property that there is not. */
function unknown(what: string, key: string, known: readonly string[]): string {
  const meant = nearest(key, known, {});
  return `${what} has no property ${show(key)}${
    meant === undefined ? "" : ` (did you mean "${meant}"?)`
  }`;
}

/**
 * Refuses the assignment of a property that the instances of a class do not have: it throws a {@linkcode TypeError}
 * that names the property. Nothing else becomes slower: what an instance or the class has is found before.
 *
 * @param what how the message calls an instance
 * @param fields what instances have beside what the prototype has
 */
export function refuseUnknown(
  prototype: object,
  what: string,
  fields: readonly string[] = [],
): void {
  const accessors = Object.entries(Object.getOwnPropertyDescriptors(prototype));
  const known = accessors.filter(([, { set }]) => set !== undefined).map(([name]) => name);
  const end = new Proxy(Object.create(Object.getPrototypeOf(prototype)), {
    set(_target, key) {
      throw new TypeError(unknown(what, String(key), [...known, ...fields]));
    },
  });
  Object.setPrototypeOf(prototype, end);
}

/**
 * Freezes an object that the program reads. An assignment throws a {@linkcode TypeError} that names the property.
 *
 * @param name how the program reaches the object, such as `host.limits`
 * @param remedy what to do in place of that
 */
export function readOnly<T extends object>(object: T, name: string, remedy: string): Readonly<T> {
  return new Proxy(Object.freeze(object), {
    set(target, key) {
      const property = String(key);
      const problem = property in target
        ? `${name}.${property} is read-only`
        : unknown(name, property, Object.keys(target));
      throw new TypeError(`${problem}; ${remedy}`);
    },
  });
}
