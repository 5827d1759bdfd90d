import type { TarLimits } from "../archive/TarReader.ts"

/** What a single archive may take. */
export interface ArchiveLimits extends TarLimits {
  /** Bytes as sent. */
  readonly compressed: number
  /** Milliseconds without a byte. */
  readonly stall: number
}

/** All of one download, its retries included: the client waits 60 s. */
export interface DownloadPolicy extends ArchiveLimits {
  /** Milliseconds. */
  readonly deadline: number
  /** Milliseconds after which no further try begins. */
  readonly retries: number
}
