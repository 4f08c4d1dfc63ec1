//! Collecting the values of a column: what most rows leave empty costs a count, and what is collected into is kept from
//! one batch to the next.

use std::{
    mem,
    sync::{Arc, LazyLock},
};

use arrow::{
    array::{
        Array, ArrayRef, ArrowPrimitiveType, GenericByteArray, Int32Array, Int64Array,
        NullBufferBuilder, PrimitiveArray, StringArray, TimestampMicrosecondArray, new_null_array,
    },
    buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer},
    datatypes::ByteArrayType,
};

use super::{batch::MAX_BATCH_ROWS, kind::Form, spare};

/// Numbers of one column.
#[derive(Debug)]
pub(crate) struct Numbers<T: ArrowPrimitiveType> {
    present: Presence,
    values: Vec<T::Native>,
}

impl<T: ArrowPrimitiveType> Default for Numbers<T> {
    fn default() -> Self {
        Self {
            present: Presence::default(),
            values: Vec::new(),
        }
    }
}

impl<T: ArrowPrimitiveType> Numbers<T> {
    #[inline]
    pub(super) fn push(&mut self, value: Option<T::Native>) {
        match value {
            Some(value) => {
                if let Some(leading) = self.present.begin() {
                    self.values.resize(leading, T::Native::default());
                }
                self.values.push(value);
                self.present.bits.append_non_null();
            }
            None if self.values.is_empty() => self.present.leading += 1,
            None => {
                self.values.push(T::Native::default());
                self.present.bits.append_null();
            }
        }
    }

    /// The column, in no more memory than it needs.
    pub(super) fn finish(&mut self, form: Form) -> ArrayRef {
        if self.values.is_empty() {
            return absent(form, mem::take(&mut self.present.leading));
        }
        let values = ScalarBuffer::from(self.values.as_slice().to_vec());
        self.values.clear();
        let array = PrimitiveArray::<T>::new(values, self.present.finish());
        Arc::new(array.with_data_type(form.data_type()))
    }
}

/// Octets of a column that are worth not being copied.
const LARGE: usize = 256 << 10;

/// Texts or octets of one column.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    present: Presence,
    /// Where each ends.
    ends: Vec<i32>,
    octets: Vec<u8>,
}

impl Pieces {
    pub(super) fn reserve(&mut self, octets: usize) {
        self.octets.reserve(octets);
    }

    #[inline]
    pub(super) fn push(&mut self, piece: Option<&[u8]>) {
        match piece {
            Some(piece) => {
                if let Some(leading) = self.present.begin() {
                    self.ends.resize(leading, 0);
                }
                self.octets.extend_from_slice(piece);
                self.ends.push(self.end());
                self.present.bits.append_non_null();
            }
            None if self.ends.is_empty() => self.present.leading += 1,
            None => {
                self.ends.push(self.end());
                self.present.bits.append_null();
            }
        }
    }

    /// A batch has 16 MiB, and a frame of the log that is read back at most 64: this always fits.
    #[inline]
    fn end(&self) -> i32 {
        i32::try_from(self.octets.len()).unwrap_or(i32::MAX)
    }

    /// What was collected: itself where it is large and nearly fills what it has, as it does batch after batch at a high
    /// rate; else a copy of its size.
    fn take_octets(&mut self) -> Buffer {
        let (length, room) = (self.octets.len(), self.octets.capacity());
        if length < LARGE {
            let copy = Buffer::from(self.octets.as_slice());
            self.octets.clear();
            return copy;
        }
        // The next batch has about as much.
        let next = spare::COLUMNS.take(length + length / 8);
        let octets = mem::replace(&mut self.octets, next);
        if length >= room / 4 * 3 {
            spare::column(octets)
        } else {
            Buffer::from(octets.as_slice())
        }
    }

    /// The column, in hardly more memory than it needs.
    pub(super) fn finish<T: ByteArrayType<Offset = i32>>(&mut self, form: Form) -> ArrayRef {
        if self.ends.is_empty() {
            return absent(form, mem::take(&mut self.present.leading));
        }
        let mut offsets = Vec::with_capacity(self.ends.len() + 1);
        offsets.push(0);
        offsets.extend_from_slice(&self.ends);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        let octets = self.take_octets();
        self.ends.clear();
        let array = GenericByteArray::<T>::new(offsets, octets, self.present.finish());
        Arc::new(array)
    }
}

/// Which rows have a value. Those without one before the first that has are only counted.
#[derive(Debug)]
struct Presence {
    leading: usize,
    bits: NullBufferBuilder,
}

impl Default for Presence {
    fn default() -> Self {
        Self {
            leading: 0,
            bits: NullBufferBuilder::new(0),
        }
    }
}

impl Presence {
    /// Before a value: how many rows had none until now, once.
    #[inline]
    fn begin(&mut self) -> Option<usize> {
        if self.leading == 0 {
            return None;
        }
        self.bits.append_n_nulls(self.leading);
        Some(mem::take(&mut self.leading))
    }

    fn finish(&mut self) -> Option<NullBuffer> {
        self.bits.finish()
    }
}

/// Shared by all columns that say nothing, by which they are known.
static NOWHERE: LazyLock<NullBuffer> = LazyLock::new(|| NullBuffer::new_null(MAX_BATCH_ROWS));

static ABSENT: LazyLock<[ArrayRef; 4]> = LazyLock::new(|| {
    let rows = MAX_BATCH_ROWS;
    let times = TimestampMicrosecondArray::new(vec![0; rows].into(), Some(NOWHERE.clone()));
    let texts = StringArray::new(
        OffsetBuffer::new_zeroed(rows),
        Buffer::default(),
        Some(NOWHERE.clone()),
    );
    [
        Arc::new(Int32Array::new(vec![0; rows].into(), Some(NOWHERE.clone()))),
        Arc::new(Int64Array::new(vec![0; rows].into(), Some(NOWHERE.clone()))),
        Arc::new(times.with_data_type(Form::Time.data_type())),
        Arc::new(texts),
    ]
});

/// A column of this form without a value; all of them share their memory.
pub(crate) fn absent(form: Form, rows: usize) -> ArrayRef {
    let [ints, longs, times, texts] = &*ABSENT;
    let shared = match form {
        _ if rows > MAX_BATCH_ROWS => return new_null_array(&form.data_type(), rows),
        Form::Int => ints,
        Form::Long | Form::Id => longs,
        Form::Time | Form::Instant => times,
        Form::Word | Form::Text | Form::Class => texts,
        Form::Octets => return new_null_array(&form.data_type(), rows),
    };
    shared.slice(0, rows)
}

/// Octets of memory of a column; one of [`absent`] has none of its own.
pub(super) fn memory_of(column: &dyn Array) -> usize {
    let is_shared = column
        .nulls()
        .is_some_and(|nulls| nulls.buffer().data_ptr() == NOWHERE.buffer().data_ptr());
    if is_shared {
        size_of::<ArrayRef>()
    } else {
        column.get_array_memory_size()
    }
}
