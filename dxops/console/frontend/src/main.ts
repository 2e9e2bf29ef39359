/** Loaded by every page. Each module enhances markup that already works without it. */
import "./live";
import "./keys";
import "./palette";
import "./page";
