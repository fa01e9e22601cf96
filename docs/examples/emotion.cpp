// The emotion of a recording, from a bundle, with ONNX Runtime's C++ API:  emotion MODEL.onnx RECORDING.wav
// The recording is a WAV file of 16 bits, 16 kHz and one channel, without silence at its ends.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <vector>

#include <onnxruntime_cxx_api.h>

int main(int, char** arguments) {
  std::ifstream file(arguments[2], std::ios::binary);
  std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  auto* sound = reinterpret_cast<const int16_t*>(bytes.data() + 44);  // after the header
  std::vector<float> waveform(sound, sound + (bytes.size() - 44) / 2);
  for (float& sample : waveform) sample /= 32768;
  Ort::Env env(ORT_LOGGING_LEVEL_ERROR);
  Ort::Session session(env, arguments[1], Ort::SessionOptions{});
  auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  const int64_t shape[] = {1, static_cast<int64_t>(waveform.size())};
  auto input = Ort::Value::CreateTensor<float>(memory, waveform.data(), waveform.size(), shape, 2);
  const char *inputs[] = {"waveform"}, *outputs[] = {"scores"};
  auto results = session.Run(Ort::RunOptions{}, inputs, &input, 1, outputs, 1);
  const float* scores = results[0].GetTensorData<float>();
  const size_t n_emotions = results[0].GetTensorTypeAndShapeInfo().GetElementCount();
  for (size_t i = 0; i < n_emotions; ++i) std::printf("%.6f\n", scores[i]);
}
