"""The CPU's decoding template, which reads full blocks, is used only for masks that have some."""

import sys


def choose_flex_template(original):
    def for_masks_with_full_blocks(self, *rest, **named):
        if self.no_full_kv_block:
            return sys.modules[type(self).__module__].FLEX_ATTENTION_TEMPLATE
        return original(self, *rest, **named)

    return for_masks_with_full_blocks
