import type { TarLimits } from "../archive/TarReader.ts"

/** What a single archive may take. */
export interface ArchiveLimits extends TarLimits {
  /** Bytes as sent. */
  readonly compressed: number
  /** Milliseconds without a byte. */
  readonly stall: number
}

/** Downloads, which go on for as long as bytes come. */
export interface DownloadPolicy extends ArchiveLimits {
  /** Milliseconds for which a request of Postgres' waits for one: its client waits 60 s. A start waits for all it preloads. */
  readonly deadline: number
  /** Milliseconds after which no further try begins. */
  readonly retries: number
}
