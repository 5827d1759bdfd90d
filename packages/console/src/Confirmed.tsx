/**
 * An action that says what will happen, asks once more, and tells what came of it.
 */
import type { ComponentChildren } from "preact"
import { useLayoutEffect, useRef, useState } from "preact/hooks"
import { Long, Mark } from "./parts.tsx"
import { lasting } from "./words.ts"

interface Props {
  readonly label: string
  /** What it is for, in one line. */
  readonly about: string
  /** What will happen, and what there is to choose. */
  readonly children: ComponentChildren
  readonly isGrave?: boolean
  /** Ends with what came of it. */
  readonly act: () => Promise<string>
  readonly beside?: ComponentChildren
}

type Stage =
  | { readonly _tag: "Quiet" }
  | { readonly _tag: "Asked" }
  | { readonly _tag: "Acting" }
  | { readonly _tag: "Done"; readonly text: string; readonly isGood: boolean; readonly took: number }

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const YES = "yes"

/** However it is closed, by a button or a key: the browser gives the focus back to what opened it. */
const Question = ({
  answer,
  children,
  isGrave,
  label
}: Pick<Props, "children" | "isGrave" | "label"> & { readonly answer: (yes: boolean) => void }) => {
  const dialog = useRef<HTMLDialogElement>(null)
  useLayoutEffect(() => dialog.current?.showModal(), [])
  const id = `asked-${label.toLowerCase()}`
  return (
    <dialog
      ref={dialog}
      aria-labelledby={id}
      onClose={({ currentTarget }) => answer(currentTarget.returnValue === YES)}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault()
          dialog.current?.close(YES)
        }}
      >
        <h2 id={id}>{label}?</h2>
        {children}
        <div class="buttons">
          <button type="button" onClick={() => dialog.current?.close()}>
            No
          </button>
          <button type="submit" class={isGrave === true ? "grave" : "main"}>
            Yes, {label.toLowerCase()}
          </button>
        </div>
      </form>
    </dialog>
  )
}

export const Confirmed = ({ about, act, beside, children, isGrave, label }: Props) => {
  const [stage, setStage] = useState<Stage>({ _tag: "Quiet" })
  const go = () => {
    const begun = performance.now()
    const end = (isGood: boolean) => (text: string) =>
      setStage({ _tag: "Done", text, isGood, took: performance.now() - begun })
    setStage({ _tag: "Acting" })
    act().then(end(true), (error: unknown) => end(false)(messageOf(error)))
  }
  return (
    <div class="action">
      <div class="head">
        <div>
          <h3>{label}</h3>
          <p class="soft">{about}</p>
        </div>
        <div class="buttons">
          {beside}
          <button
            type="button"
            class={isGrave === true ? "danger" : ""}
            aria-haspopup="dialog"
            // Not disabled: it would lose the focus.
            aria-disabled={stage._tag === "Acting"}
            onClick={() => stage._tag !== "Acting" && setStage({ _tag: "Asked" })}
          >
            {stage._tag === "Acting" ? "Under way\u2026" : label}
          </button>
        </div>
      </div>
      {stage._tag === "Asked" && (
        <Question
          label={label}
          {...(isGrave !== undefined && { isGrave })}
          answer={(yes) => {
            if (yes) go()
            else setStage({ _tag: "Quiet" })
          }}
        >
          {children}
        </Question>
      )}
      <output class={stage._tag === "Done" && !stage.isGood ? "fault" : ""}>
        {stage._tag === "Acting" && <progress aria-label={`${label} under way`} />}
        {stage._tag === "Done" && (
          <>
            <Mark tone={stage.isGood ? "good" : "bad"} /> <Long text={stage.text} />
            <span class="soft"> ({lasting(stage.took)})</span>
          </>
        )}
      </output>
    </div>
  )
}
