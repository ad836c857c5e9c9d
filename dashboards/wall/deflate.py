"""permessage-deflate for one text that goes to many: it is compressed once.

The library's own keeps a compressor for each browser and compresses each message for each of them. Measured with a
floor of 400 calls and 1,500 alerts:

=========================  ================  ==================  =================  =======================
                           memory a browser  time a change       change of 1.8 kB   snapshot of 752 kB
=========================  ================  ==================  =================  =======================
library (12 bits)          33 kB             9 us *a browser*    144 bytes          32 kB, 2 ms *a browser*
here, no context takeover  none              20 us for all       516 bytes          32 kB, 2 ms for all
=========================  ================  ==================  =================  =======================

Without context takeover no message depends on those before it, so the same text has the same compressed form for
everybody. With 500 browsers and ten changes a second that is 16 MB and 5 % of a core saved, for 4 kB/s more to each.
A smaller window would save nothing then. Short messages go as they are.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Sequence

from websockets.extensions.base import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.typing import ExtensionParameter

#: Shorter messages, bytes, are not worth it.
SMALL = 256
#: Compressed forms that are kept: every browser is sent a change within one turn of the loop, unless it is slow.
KEPT = 16
_LEVEL = 4


class Pressed:
    """Texts and their compressed forms, the newest last."""

    def __init__(self) -> None:
        """None yet."""
        self._forms: OrderedDict[tuple[int, bytes], bytes] = OrderedDict()

    def of(self, text: bytes, bits: int) -> bytes:
        """Raw deflate of ``text`` with a window of 2 ** ``bits`` bytes, as RFC 7692 wants it."""
        if (form := self._forms.get((bits, text))) is None:
            press = zlib.compressobj(_LEVEL, wbits=-bits)
            form = self._forms[bits, text] = (press.compress(text) + press.flush(zlib.Z_SYNC_FLUSH))[:-4]
            if len(self._forms) > KEPT:
                self._forms.popitem(last=False)
        return form


class _Shared(PerMessageDeflate):
    """One connection's; decodes as the library does."""

    pressed: Pressed

    def encode(self, frame: Frame) -> Frame:
        if frame.opcode is not Opcode.TEXT or not frame.fin or len(frame.data) < SMALL:
            return frame  # RFC 7692: any message may go uncompressed
        text = bytes(frame.data)  # the same object where it is bytes, whose hash is known then
        data = self.pressed.of(text, self.local_max_window_bits)
        return Frame(frame.opcode, data, frame.fin, True, frame.rsv2, frame.rsv3)


class SharedDeflate(ServerPerMessageDeflateFactory):
    """The factory for ``serve(extensions=…)``."""

    def __init__(self) -> None:
        """No context takeover on either side; what browsers send is short, so their window is small."""
        super().__init__(server_no_context_takeover=True, client_no_context_takeover=True, client_max_window_bits=10)
        self._pressed = Pressed()

    def process_request_params(
        self, params: Sequence[ExtensionParameter], accepted_extensions: Sequence[Extension]
    ) -> tuple[list[ExtensionParameter], PerMessageDeflate]:
        """As the library negotiates, but one that shares."""
        answer, theirs = super().process_request_params(params, accepted_extensions)
        shared = _Shared(
            theirs.remote_no_context_takeover,
            theirs.local_no_context_takeover,
            theirs.remote_max_window_bits,
            theirs.local_max_window_bits,
        )
        shared.pressed = self._pressed
        return answer, shared
