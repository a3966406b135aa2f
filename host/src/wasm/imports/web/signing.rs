//! Signatures with keys that stay here.

use super::super::super::data::Data;
use super::super::super::web::signing::{Error, Host};

impl Host for Data {
    fn sign(
        &mut self,
        purpose: String,
        message: Vec<u8>,
    ) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        Ok(self.signing.sign(&purpose, &message).ok_or(Error::NoKey))
    }

    fn verify(
        &mut self,
        purpose: String,
        message: Vec<u8>,
        signature: Vec<u8>,
    ) -> wasmtime::Result<Result<bool, Error>> {
        Ok(self.signing.verify(&purpose, &message, &signature).ok_or(Error::NoKey))
    }
}
