"""The bounds check of a vector of indices creates its mask from a scalar with VecMask::from, not with a constructor."""


class _FromScalar:
    """A scalar mask, printed as the vector mask that indirect_assert expects."""

    is_vec = True

    def __init__(self, text):
        self.text = text

    def __str__(self):
        return self.text


def indirect_assert(original):
    def with_vector_mask(self, var, lower, upper, mask=None):
        if mask and var.is_vec and not mask.is_vec:
            mask = _FromScalar(f"{self._get_mask_type(var.dtype)}::from({mask})")
        return original(self, var, lower, upper, mask)

    return with_vector_mask
