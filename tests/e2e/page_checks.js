/* What the tests of every page ask of a page; Playwright puts it into each one before it loads. */

window.checks = { shifts: [], refused: [] };

document.addEventListener("securitypolicyviolation", (event) => {
  window.checks.refused.push(`${event.violatedDirective} ${event.blockedURI}`);
});

new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (!entry.hadRecentInput) window.checks.shifts.push(entry.value);
  }
}).observe({ type: "layout-shift", buffered: true });

/** What axe-core finds against WCAG 2.2 AA in a part of the page: rule, help, first elements. */
window.checks.violations = async (part = "html") => {
  const found = await axe.run(part, {
    runOnly: { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] },
    // Off by default, tags or not.
    rules: { "target-size": { enabled: true } },
    resultTypes: ["violations"],
  });
  return found.violations.map(
    ({ id, help, nodes }) =>
      `${id}: ${help}: ` +
      nodes
        .slice(0, 6)
        .map((node) => `${node.html.slice(0, 160)} (${node.any[0]?.message ?? node.all[0]?.message ?? ""})`)
        .join(" | "),
  );
};

const isShown = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true });

/** What could be seen to change when an element gets the focus: at it, around it, at its label. */
function looks(element) {
  const around = [element, element.parentElement, element.closest("tr"), element.nextElementSibling];
  return around
    .filter(Boolean)
    .map((one) => {
      const style = getComputedStyle(one);
      const outline = style.outlineStyle === "none" ? "" : style.outline;
      return [outline, style.boxShadow, style.borderColor, style.backgroundColor].join();
    })
    .join("\n");
}

/** The elements that look the same with the focus as without it. Press Tab first. */
window.checks.withoutVisibleFocus = () => {
  const selector = "a[href], button, input, select, textarea, summary, [tabindex='0']";
  const elements = [...document.querySelectorAll(selector)].filter(
    (element) => element.checkVisibility() && !element.disabled && element.type !== "hidden",
  );
  document.activeElement?.blur();
  // All at once: after each change of the focus the browser recomputes the styles.
  const before = elements.map(looks);
  const unseen = elements.filter((element, number) => {
    element.focus({ preventScroll: true });
    return document.activeElement === element && looks(element) === before[number];
  });
  document.activeElement?.blur();
  return unseen.map((element) => element.outerHTML.slice(0, 160));
};

/** How far the page reaches beyond the window's right edge, in CSS pixels. */
window.checks.overflow = () => document.documentElement.scrollWidth - window.innerWidth;

/** Running text whose lines hold more characters than can be followed with the eyes. */
window.checks.longLines = (most) => {
  const long = [];
  for (const element of document.querySelectorAll("main p, main li, main dd, main .form-text")) {
    if (!isShown(element) || element.innerText.trim().length <= most) continue;
    const lineHeight = parseFloat(getComputedStyle(element).lineHeight);
    const lines = Math.max(1, Math.round(element.getBoundingClientRect().height / lineHeight));
    if (element.innerText.length / lines > most) long.push(element.innerText.slice(0, 60));
  }
  return long;
};

/** What the parts of the page are, but for what is another in every visit and marks the place. */
window.checks.parts = () => {
  const body = document.body.cloneNode(true);
  const unseen = "input[type=hidden], template, script";
  for (const element of body.querySelectorAll(unseen)) element.remove();
  for (const link of body.querySelectorAll("header nav .active")) {
    link.classList.remove("active");
    link.removeAttribute("aria-current");
  }
  return [document.title, ...[...body.children].map((part) => part.outerHTML)];
};
