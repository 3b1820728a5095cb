// sextant demo: the sample library answers a dozen questions by meaning.
#include <algorithm>
#include <fstream>

#include "cli/commands/all.h"
#include "cli/sample_library.h"

namespace sextant::cli {
namespace {

constexpr size_t kPassageBytes = 220;

// The passage's beginning, cut at a word.
std::string excerpt(const std::string& passage) {
  if (passage.size() <= kPassageBytes) return passage;
  size_t end = passage.rfind(' ', kPassageBytes);
  return passage.substr(0, end == std::string::npos ? kPassageBytes : end) + " ...";
}

}  // namespace

void add_demo(Command app, Context& context) {
  auto model_name = std::make_shared<std::string>();
  Command command = app.subcommand("demo", "Index the sample library and answer a dozen questions by meaning");
  add_model_option(command, *model_name, context);
  add_common_options(command, context, Common::threads);
  command.callback([model_name, &context] {
    auto model = load_model(*model_name, context);
    Library library = open_sample_library(*model, context);
    print(fmt::format("{} documents, {} passages, model {} ({} dimensions)\n\n", library.document_count(),
                      library.passage_count(), model->name(), model->dim()));
    std::ifstream questions(examples_folder() / "demo-questions.txt");
    const size_t width = std::min<size_t>(terminal_width(), 100);
    std::string question;
    double total_ms = 0;
    size_t count = 0;
    while (std::getline(questions, question)) {
      if (question.empty()) continue;
      SearchResult result = library.search(question, *model, {.limit = 1});
      const double ms = result.embed_ms + result.search_ms;
      total_ms += ms;
      ++count;
      print(bold("? " + question) + "\n");
      if (result.hits.empty()) {
        print("  nothing found\n\n");
        continue;
      }
      const Hit& hit = result.hits.front();
      print(fmt::format("  {:.2f}  {}  {}\n", hit.score, bold(hit.title),
                        faint(fmt::format("{}, {:.2f} ms", hit.path, ms))));
      print(wrap(excerpt(hit.passage), width, 8) + "\n");
    }
    print(fmt::format("{} questions in {:.1f} ms: each was embedded and compared with every passage.\n\n", count,
                      total_ms));
    print(bold("Try next") +
          "\n"
          "  ./run search \"how do I stop my tap from dripping\"     your own question to this library\n"
          "  ./run index DOCUMENTS... --output my.sextant          your own .txt, .md, .html and .pdf files\n"
          "  ./run search my.sextant \"a question\"\n"
          "  ./run similarity \"a dog\" \"a puppy\"                    how near two texts are\n"
          "  ./run explain \"Where is my parcel?\"                   how a text becomes a vector\n"
          "  ./run --help                                          everything else\n");
  });
}

}  // namespace sextant::cli
