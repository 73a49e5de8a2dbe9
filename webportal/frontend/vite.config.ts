import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, gzip } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

/**
 * What is changed in Cornerstone, by folder and file. The content security policy refuses style
 * attributes; set through the DOM a style is allowed. And the canvas that the processor draws in need
 * not be read back to know that it is white: that takes longer than everything else about a picture.
 */
const CHANGES: Record<string, [string, string]> = {
  "drawingSvg/drawTextBox.js": [
    "textElement.setAttribute('style', combinedStyle);",
    "textElement.style.cssText = combinedStyle;",
  ],
  "drawingSvg/setAttributesIfNecessary.js": [
    "svgNode.setAttribute(key, newValue);",
    "if (key === 'style') svgNode.style.cssText = newValue; else svgNode.setAttribute(key, newValue);",
  ],
  "drawingSvg/setNewAttributesIfValid.js": [
    "svgNode.setAttribute(key, newValue);",
    "if (key === 'style') svgNode.style.cssText = newValue; else svgNode.setAttribute(key, newValue);",
  ],
  "rendering/initializeRenderCanvas.js": [
    "canvasContext.getImageData(0, 0, image.width, image.height);",
    "canvasContext.createImageData(image.width, image.height); renderCanvasData.data.fill(255);",
  ],
};

function changeCornerstone(): Plugin {
  return {
    name: "change-cornerstone",
    transform(code, id) {
      const file = id.split("/").slice(-2).join("/");
      const change = id.includes("/@cornerstonejs/") ? CHANGES[file] : undefined;
      if (!change) return undefined;
      if (!code.includes(change[0])) this.error(`Cornerstone has changed: look at ${file}`);
      return code.replace(...change);
    },
  };
}

/** Lays a Brotli and a gzip copy beside each text; WhiteNoise sends what the browser takes. */
function compress(): Plugin {
  const ways = { br: promisify(brotliCompress), gz: promisify(gzip) };
  return {
    name: "compress",
    async writeBundle({ dir = "." }, bundle) {
      const texts = Object.keys(bundle).filter((name) => /\.(js|css|svg)$/.test(name));
      const copies = texts.flatMap((name) => Object.entries(ways).map((way) => [name, ...way] as const));
      await Promise.all(
        copies.map(async ([name, ending, way]) => {
          const content = await readFile(join(dir, name));
          const packed = await way(content);
          if (packed.length < content.length) await writeFile(join(dir, `${name}.${ending}`), packed);
        }),
      );
    },
  };
}

export default defineConfig({
  // Where Django serves the built files from (STATIC_URL + dist/).
  base: "/static/dist/",
  // Everything is imported from src/; there is no folder of files to copy as they are.
  publicDir: false,
  plugins: [changeCornerstone(), compress()],
  worker: { format: "es" },
  build: {
    target: "esnext",
    outDir: "../static/dist",
    // A portal that runs goes on serving the files that it started with; the installer removes old ones.
    emptyOutDir: false,
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
