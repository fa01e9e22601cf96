// Errors that a caller can act on.

/**
 * An error whose message names what was found, what was expected, and what to do.
 *
 * `code` is one of "not_audio", "too_short", "silent", "no_channel", "not_profile", "no_clips", "bad_model" and
 * "bad_argument".
 */
export class EmotoneError extends Error {
  constructor(code, message) {
    super(message);
    this.name = "EmotoneError";
    this.code = code;
  }
}
