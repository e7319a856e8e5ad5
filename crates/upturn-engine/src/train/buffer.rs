//! f32 memory that begins on a cache line, so that no vector is split over two.

/// Numbers of a cache line.
const LINE: usize = 16;

/// Numbers, all 0 at first.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    memory: Vec<f32>,
    at: usize,
    len: usize,
}

impl Buffer {
    pub(crate) fn new(len: usize) -> Self {
        let mut buffer = Buffer::default();
        buffer.grow(len);
        buffer
    }

    /// Makes it at least `len` long. Where it has to grow, all numbers become 0.
    pub(crate) fn grow(&mut self, len: usize) {
        if len <= self.len {
            return;
        }
        self.memory = Vec::new();
        self.memory = vec![0.0; len + LINE - 1];
        let off = self.memory.as_ptr().align_offset(LINE * size_of::<f32>());
        self.at = if off < LINE { off } else { 0 };
        self.len = len;
    }

    pub(crate) fn bytes(&self) -> usize {
        self.memory.capacity() * size_of::<f32>()
    }

    /// Bytes of a buffer of `len` numbers.
    pub(crate) fn bytes_of(len: usize) -> usize {
        if len == 0 {
            0
        } else {
            (len + LINE - 1) * size_of::<f32>()
        }
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        // The copy may lie differently against cache lines.
        let mut copy = Buffer::new(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

impl std::ops::Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.memory[self.at..self.at + self.len]
    }
}

impl std::ops::DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.memory[self.at..self.at + self.len]
    }
}
