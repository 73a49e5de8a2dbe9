import "vite/modulepreload-polyfill";
