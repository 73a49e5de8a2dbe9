import "vite/modulepreload-polyfill";

import "bootstrap/dist/css/bootstrap.min.css";
import "./theme.css";
import "./identify.css";
import "./models.css";
import "./operations.css";
import "./panels.css";
import "./report.css";
import "./worklist.css";

import "bootstrap";
import htmx from "htmx.org";
// Swaps that keep focus, selection and scrolling: hx-ext="morph" with hx-swap="morph:innerHTML".
import "idiomorph/dist/idiomorph-ext.esm.js";

import { returnWhenReady, sayWhenAway } from "./away";
import { bindColumns } from "./columns";
import { countEmergencies } from "./emergency";
import { submitOnChange } from "./filters";
import { onEachPage } from "./life";
import { keepLive } from "./live";
import { lockWhenIdle } from "./lock";
import { closeMenus } from "./menus";
import { bindPasskeys } from "./passkeys";
import { bindPasteTable } from "./paste_table";
import { bindPrintButtons } from "./print";
import { openInPlace } from "./swap";
import { offerTakeBack } from "./take_back";
import { bindWorklist } from "./worklist";

// The content security policy allows neither inline styles nor eval.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;

keepLive();
returnWhenReady();
sayWhenAway();
countEmergencies();
offerTakeBack();
lockWhenIdle();
closeMenus();
openInPlace();
onEachPage((life) => {
  submitOnChange(life);
  bindWorklist(life);
  bindColumns();
});
bindPasskeys();
bindPrintButtons();
bindPasteTable();
