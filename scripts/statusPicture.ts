// Prints the picture of the state machine that the README shows.
import { edges } from "../src/domain/ComputeStatus.ts"
import { picture } from "../src/domain/StatusPicture.ts"

console.log(picture(edges))
