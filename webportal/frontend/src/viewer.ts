import "vite/modulepreload-polyfill";

// Order matters: later style sheets override earlier ones.
import "./study_page.css";
import "./viewer/frame.css";
import "./viewer/pane.css";
import "./viewer/keys.css";
import "./timeline.css";
import "./viewer/widths.css";
import "./choice.css";
import { guardAddendum } from "./addendum";
import { guardSignatures } from "./gate";
import { onEachPage } from "./life";
import { bindReadKeys } from "./read";
import { allowStudies } from "./swap";
import { prepareViewer, startViewer } from "./viewer/viewer";

prepareViewer();
onEachPage((life) => {
  const root = document.querySelector<HTMLElement>(".viewer[data-reader]");
  if (!root) return;
  // Before the viewer, which reports the displayed images.
  guardSignatures(life);
  startViewer(root, life);
  bindReadKeys(life);
  guardAddendum(life);
});
allowStudies();
