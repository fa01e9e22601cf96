// The emotion of a recording, from a bundle, with the crate `ort` (2.0.0-rc.12):  emotion MODEL.onnx RECORDING.wav
// The recording is a WAV file of 16 bits, 16 kHz and one channel, without silence at its ends.
use ort::{inputs, session::Session, value::Tensor};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let sound = std::fs::read(&arguments[2])?.split_off(44); // after the header
    let waveform: Vec<f32> = sound.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]]) as f32 / 32768.0).collect();
    let mut session = Session::builder()?.commit_from_file(&arguments[1])?;
    let input = Tensor::from_array(([1, waveform.len()], waveform))?;
    let outputs = session.run(inputs!["waveform" => input])?;
    let (_, scores) = outputs["scores"].try_extract_tensor::<f32>()?;
    for score in scores {
        println!("{score:.6}");
    }
    Ok(())
}
