import { type Plugin, defineConfig } from "vite";

/** Where Cornerstone styles what is measured by an attribute, and how to do so through the DOM. */
const STYLED: Record<string, [string, string]> = {
  "drawTextBox.js": [
    "textElement.setAttribute('style', combinedStyle);",
    "textElement.style.cssText = combinedStyle;",
  ],
  "setAttributesIfNecessary.js": [
    "svgNode.setAttribute(key, newValue);",
    "if (key === 'style') svgNode.style.cssText = newValue; else svgNode.setAttribute(key, newValue);",
  ],
  "setNewAttributesIfValid.js": [
    "svgNode.setAttribute(key, newValue);",
    "if (key === 'style') svgNode.style.cssText = newValue; else svgNode.setAttribute(key, newValue);",
  ],
};

/** The content security policy refuses style attributes; set through the DOM a style is allowed. */
function styleThroughDom(): Plugin {
  return {
    name: "style-through-dom",
    transform(code, id) {
      const [folder, file] = id.split("/").slice(-2);
      const change = folder === "drawingSvg" && file ? STYLED[file] : undefined;
      if (!change) return undefined;
      if (!code.includes(change[0])) this.error(`Cornerstone has changed: look at ${file}`);
      return code.replace(...change);
    },
  };
}

export default defineConfig({
  // Where Django serves the built files from (STATIC_URL + dist/).
  base: "/static/dist/",
  // Everything is imported from src/; there is no folder of files to copy as they are.
  publicDir: false,
  plugins: [styleThroughDom()],
  worker: { format: "es" },
  build: {
    target: "esnext",
    outDir: "../static/dist",
    emptyOutDir: true,
    // django-vite reads this to turn an entry's name into its hashed files.
    manifest: true,
    // The content security policy allows files of this site, not data: URLs.
    assetsInlineLimit: 0,
    // Cornerstone3D is that large, and is loaded by the study page alone.
    chunkSizeWarningLimit: 3000,
    rolldownOptions: {
      // htmx holds an eval that its setting allowEval (see main.ts) switches off.
      checks: { eval: false },
      input: ["src/main.ts", "src/upload.ts", "src/viewer.ts"],
      output: {
        codeSplitting: {
          // Apart from our own code, so that browsers keep it from version to version.
          groups: [{ name: "cornerstone", test: /node_modules\/(@cornerstonejs|@kitware|gl-matrix)\// }],
        },
      },
    },
  },
});
