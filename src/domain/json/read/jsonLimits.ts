/** How much of what one JSON document may hold: valid text costs too, and whoever sends it need not be known. */

/** Containers within each other. */
export const MAX_DEPTH = 127
/** Values of one document. A spec of 40 MB that is full of options has four million. */
export const MAX_VALUES = 5_000_000
/** Of those, lists and objects: an empty one takes two bytes of a body and fifty of memory. */
export const MAX_CONTAINERS = 1_500_000
/** Members of one object. Lists may be as long as the document. */
export const MAX_MEMBERS = 50_000
/** Members of one document that were given more than once. */
export const MAX_DUPLICATES = 1000
/** Texts with a NUL of which the place is kept: one is enough to refuse a document, whoever mends it wants to see a few. */
export const MAX_NULS = 100
/** Characters of a key. */
export const MAX_KEY = 16 * 1024
