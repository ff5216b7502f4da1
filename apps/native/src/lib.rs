//! Record batches to counts: the hot path of Clickstream's processor. `clickstream_native.pyi` is its interface.

mod batch;
mod counter;
mod counts;
mod event;
mod ids;
mod lz4;
mod names;
mod rules;
mod shapes;
mod strings;
mod time;
mod walk;

use pyo3::prelude::*;
use pyo3::types::PySequence;

#[pymodule]
fn clickstream_native(module: &Bound<PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("TooLarge", module.py().get_type::<batch::TooLarge>())?;
    module.add_class::<batch::Batch>()?;
    PySequence::register::<batch::Batch>(module.py())?;
    module.add_class::<batch::Record>()?;
    module.add_class::<counter::Counter>()?;
    Ok(())
}
