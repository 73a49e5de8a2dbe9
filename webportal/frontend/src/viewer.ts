import "vite/modulepreload-polyfill";

import "./viewer.css";
import { guardAddendum } from "./addendum";
import { bindReadKeys } from "./read";
import { startViewer } from "./viewer/viewer";

const root = document.querySelector<HTMLElement>(".viewer[data-reader]");
if (root) startViewer(root);
bindReadKeys();
guardAddendum();
