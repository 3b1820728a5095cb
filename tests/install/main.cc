#include <sextant/embed.h>

#include <cstdio>

int main() {
  auto model = sextant::Embedder::load("builtin");
  std::vector<std::string_view> texts = {"a dripping tap", "plumbing repair", "quantum physics"};
  std::vector<float> v(texts.size() * model->dim());
  model->embed(texts, {}, v);
  float near = 0, far = 0;
  for (size_t i = 0; i < model->dim(); ++i) near += v[i] * v[model->dim() + i], far += v[i] * v[2 * model->dim() + i];
  std::printf("%.3f %.3f\n", near, far);
  return near > far ? 0 : 1;
}
