/** The two globals that the bundle uses and the engine lacks. Only what is called: UTF-8, and faults become U+FFFD. */
import { host } from "./host.ts";

const BYTE_ORDER_MARK = "\ufeff";

class Encoder {
  encode(text = ""): Uint8Array {
    return host.encode(text);
  }
}

class Decoder {
  decode(bytes: Uint8Array = new Uint8Array()): string {
    const text = host.decode(bytes);
    return text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
  }
}

Object.assign(globalThis, { TextEncoder: Encoder, TextDecoder: Decoder });
