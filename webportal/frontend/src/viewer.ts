import "vite/modulepreload-polyfill";

// In this order: later ones change earlier ones.
import "./study_page.css";
import "./viewer/frame.css";
import "./viewer/pane.css";
import "./viewer/keys.css";
import "./timeline.css";
import "./viewer/widths.css";
import "./choice.css";
import { guardAddendum } from "./addendum";
import { bindReadKeys } from "./read";
import { startViewer } from "./viewer/viewer";

const root = document.querySelector<HTMLElement>(".viewer[data-reader]");
if (root) startViewer(root);
bindReadKeys();
guardAddendum();
