// The part of the page onto which files and folders can be dropped, with buttons that do the same.
import { useRef, useState } from 'preact/hooks'
import { bytes } from '../format.ts'
import { tell, tellFailure } from '../parts/notices.tsx'
import { useRights } from '../rights.ts'
import { TEXT } from '../texts.ts'
import { chosenBy, dropped, upload } from './upload.ts'
import type { ComponentChildren, JSX } from 'preact'
import type { Place } from './place.ts'
import type { Chosen, UploadState } from './upload.ts'

export interface UploadAreaProps {
  readonly place: Place
  readonly onDone: () => void
  readonly children: ComponentChildren
}

export function UploadArea({ place, onDone, children }: UploadAreaProps): JSX.Element {
  const words = TEXT.files
  const mayAdd = useRights().may('add', place)
  const [isOver, setOver] = useState(false)
  const [state, setState] = useState<UploadState>()
  const stop = useRef<AbortController>(undefined)
  const start = async (finding: readonly Chosen[] | Promise<readonly Chosen[]>): Promise<void> => {
    const controller = (stop.current = new AbortController())
    try {
      const chosen = await finding
      const { signal } = controller
      await upload(place, chosen, { onState: setState, signal })
      tell(words.uploaded(chosen.length))
    } catch (error) {
      if (!controller.signal.aborted) tellFailure(error)
    } finally {
      setState(undefined)
      onDone()
    }
  }
  const drop = (event: DragEvent): void => {
    event.preventDefault()
    setOver(false)
    if (event.dataTransfer !== null && mayAdd) void start(dropped(event.dataTransfer.items))
  }
  return (
    <div
      class={isOver ? 'drop over' : 'drop'}
      onDragOver={(event) => {
        event.preventDefault()
        setOver(mayAdd)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      {mayAdd && (
        <div class="row">
          <Choose label={words.uploadFiles} onChosen={start} />
          <Choose label={words.uploadFolder} isFolder onChosen={start} />
          <span class="quiet">{words.orDrop}</span>
        </div>
      )}
      {state !== undefined && (
        <div class="row" role="status">
          <progress
            max={Math.max(1, state.bytes)}
            value={state.bytesDone}
            aria-label={words.sending}
          />
          <span>{words.sent(state.filesDone, state.files, bytes(state.bytes))}</span>
          <button type="button" onClick={() => stop.current?.abort()}>
            {TEXT.cancel}
          </button>
        </div>
      )}
      {children}
    </div>
  )
}

function Choose({
  label,
  isFolder = false,
  onChosen,
}: {
  readonly label: string
  readonly isFolder?: boolean
  readonly onChosen: (chosen: readonly Chosen[]) => Promise<void>
}): JSX.Element {
  const input = useRef<HTMLInputElement>(null)
  return (
    <>
      <button type="button" onClick={() => input.current?.click()}>
        {label}
      </button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label={label}
        {...(isFolder && { webkitdirectory: true })}
        onChange={({ currentTarget }) => {
          const { files } = currentTarget
          if (files !== null && files.length > 0) void onChosen(chosenBy(files))
          currentTarget.value = ''
        }}
      />
    </>
  )
}
