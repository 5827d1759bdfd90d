/** Put in by the build. Sources that were not built have none. */
declare const COMPUTE_CTL_BUILD_TAG: string | undefined

/** Which release this program belongs to: archives of remote extensions are fetched by it, so it cannot change afterwards. */
export const BUILD_TAG: string = typeof COMPUTE_CTL_BUILD_TAG === "string" ? COMPUTE_CTL_BUILD_TAG : "latest"
