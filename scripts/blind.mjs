// Environment variables that Node and its libraries read before any of our code runs: their names are emptied in the
// executable, and an empty name is that of no variable. There is no option against them, and some of them keep a process
// from starting, load code into it or write files where they say.
import * as fs from "node:fs"

const names = [
  "CARES_HOSTS",
  "CTLOG_FILE",
  "ICU_TIMEZONE_FILES_DIR",
  "NODE_COMPILE_CACHE",
  "NODE_COMPILE_CACHE_PORTABLE",
  "NODE_COMPILE_CACHE_READONLY",
  "NODE_DEBUG_NATIVE",
  "NODE_EXTRA_CA_CERTS",
  "NODE_ICU_DATA",
  "NODE_PENDING_DEPRECATION",
  "NODE_PRESERVE_SYMLINKS",
  "NODE_PRESERVE_SYMLINKS_MAIN",
  "NODE_REDIRECT_WARNINGS",
  "NODE_REPL_EXTERNAL_MODULE",
  "NODE_USE_ENV_PROXY",
  "NODE_USE_SYSTEM_CA",
  "NODE_V8_COVERAGE",
  "OPENSSL_CONF",
  "OPENSSL_CONF_INCLUDE",
  "OPENSSL_ENGINES",
  "OPENSSL_MODULES",
  "OPENSSL_ia32cap",
  "QLOGDIR",
  "SSL_CERT_DIR",
  "SSL_CERT_FILE",
  "UV_USE_IO_URING"
]

/** Of this processor family only. */
const optional = new Set(["OPENSSL_ia32cap"])

/**
 * Where the text stands as a string of C: it ends with a zero, and the zero before it ends another text. The heap snapshots
 * inside hold the same words behind their length, of which three bytes are zero.
 */
const placesOf = (bytes, name) => {
  const places = []
  const wanted = Buffer.from(`\0${name}\0`)
  for (let at = bytes.indexOf(wanted); at !== -1; at = bytes.indexOf(wanted, at + 1)) {
    if (bytes[at - 1] !== 0) places.push(at + 1)
  }
  return places
}

/** Changes the file in place. */
export const blind = (executable) => {
  const bytes = fs.readFileSync(executable)
  const file = fs.openSync(executable, "r+")
  for (const name of names) {
    const [place, ...more] = placesOf(bytes, name)
    if (place === undefined && optional.has(name)) continue
    if (place === undefined || more.length > 0) {
      throw new Error(
        `${executable}: the name ${name} stands ${more.length + (place === undefined ? 0 : 1)} times in it`
      )
    }
    fs.writeSync(file, Buffer.of(0), 0, 1, place)
  }
  fs.closeSync(file)
}
