/** Text as bytes: one encoder and one decoder for all, since neither keeps anything between two calls. */

/** Encodes text as UTF-8. */
export const encoder: TextEncoder = new TextEncoder();

/** Decodes UTF-8; what is none reads as U+FFFD. */
export const decoder: TextDecoder = new TextDecoder();
