// Prints the picture of the state machine that the README shows.
import { edges } from "../src/domain/status/ComputeStatus.ts"
import { picture } from "../src/domain/status/StatusPicture.ts"

console.log(picture(edges))
