/** As much of a framework as this page needs: nodes by name, and lists that keep the rows that stay. */

type Child = Node | string;

/** Text only ever becomes text: names of strangers cannot become markup. */
export function h(tag: string, attributes: Record<string, string> = {}, ...children: Child[]): HTMLElement {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function svg(tag: string, attributes: Record<string, string | number> = {}, ...children: Child[]): SVGElement {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

export function find<T extends Element = HTMLElement>(selector: string): T {
  return document.querySelector<T>(selector)!;
}

/** Untouched where nothing changed: a screen reader and a selection stay where they are. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element: Element, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export interface Keyed<T> {
  key(item: T): string;
  make(item: T): HTMLElement;
  /** Of an item that was there before. */
  update(element: HTMLElement, item: T): void;
}

/** Brings the children of `parent` in line with `items`, moving and making only what must. */
export function keyed<T>(parent: Element, items: readonly T[], { key, make, update }: Keyed<T>): void {
  const before = new Map(
    [...parent.children].map((child) => [(child as HTMLElement).dataset["key"], child as HTMLElement]),
  );
  let at: Element | null = parent.firstElementChild;
  for (const item of items) {
    const id = key(item);
    let element = before.get(id);
    if (element) before.delete(id);
    else {
      element = make(item);
      element.dataset["key"] = id;
    }
    update(element, item);
    if (element === at) at = at.nextElementSibling;
    else parent.insertBefore(element, at);
  }
  for (const gone of before.values()) gone.remove();
}
