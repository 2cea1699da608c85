//! tempcred
