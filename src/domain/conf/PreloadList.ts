/** The entries of a list of libraries, as `shared_preload_libraries` has them: without quotes. */
export const libraries = (value: string): ReadonlyArray<string> =>
  value
    .split(",")
    .map((name) => name.trim().replace(/^"(.*)"$/, "$1"))
    .filter((name) => name !== "")

/** Adds libraries to a list. Items are compared, not substrings: `pgauditlogtofile` is not `pgaudit`. */
export const withLibraries = (list: string, added: ReadonlyArray<string>): string => {
  const present = new Set(libraries(list))
  return [...(list.trim() === "" ? [] : [list]), ...added.filter((library) => !present.has(library))].join(",")
}
