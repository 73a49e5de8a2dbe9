import "vite/modulepreload-polyfill";

import "bootstrap/dist/css/bootstrap.min.css";
import "./theme.css";

import "bootstrap";
import htmx from "htmx.org";

// The content security policy allows neither inline styles nor eval.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;
