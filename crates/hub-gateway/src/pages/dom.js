// What both pages build elements with. Text is only ever set as text, never as markup.

export function element(name, properties, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

// A sentence of the document: what stands between backticks becomes code.
export function prose(text) {
  const pieces = text.split("`").map((piece, at) => (at % 2 ? element("code", {}, piece) : piece));
  return element("span", {}, pieces);
}

// Lets the keyboard scroll a block, and skips it where there is nothing to scroll.
export function reachable(block) {
  const set = () => {
    const scrolls = block.scrollWidth > block.clientWidth || block.scrollHeight > block.clientHeight;
    if (scrolls) block.tabIndex = 0;
    else if (block !== document.activeElement) block.removeAttribute("tabindex");
  };
  new ResizeObserver(set).observe(block);
  return set;
}

// Gives a code block its button. Browsers offer the clipboard only over https and on this machine itself.
export function copyable(figure) {
  const block = figure.querySelector("pre");
  const caption = figure.querySelector("figcaption");
  const update = reachable(block);
  if (navigator.clipboard) {
    const button = element("button", { type: "button", className: "copy" }, "Copy");
    button.setAttribute("aria-label", `Copy: ${caption.textContent}`);
    const said = element("span", { className: "visually-hidden" });
    said.setAttribute("role", "status");
    let timer;
    button.addEventListener("click", async () => {
      let word = "Copied";
      try { await navigator.clipboard.writeText(block.textContent); } catch { word = "Copying is not allowed"; }
      button.textContent = word;
      said.textContent = word;
      clearTimeout(timer);
      timer = setTimeout(() => { button.textContent = "Copy"; said.textContent = ""; }, 2000);
    });
    caption.after(button, said);
  }
  return update;
}

let blocks = 0;

// A captioned block of code that scrolls inside itself.
export function codeBlock(caption, text) {
  blocks += 1;
  const label = element("figcaption", { id: `block-${blocks}` }, caption);
  const code = element("code", {}, text);
  const block = element("pre", {}, code);
  block.setAttribute("role", "group");
  block.setAttribute("aria-labelledby", label.id);
  const figure = element("figure", { className: "code" }, label, block);
  const update = copyable(figure);
  return { figure, set: (words) => { code.textContent = words; update(); } };
}
