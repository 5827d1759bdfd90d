const SLASH = 0x2f

/** A base URL without the slashes at its end: what is put behind it brings its own. */
export const withoutSlashes = (url: string): string => {
  let end = url.length
  while (end > 0 && url.charCodeAt(end - 1) === SLASH) end--
  return url.slice(0, end)
}

/** Host and port, for those who look on; what is no URL as it is. */
export const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : url)
