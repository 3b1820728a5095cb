#include "cli/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <sstream>

#include "cli/terminal.h"
#include "sextant/error.h"

namespace sextant::cli {
namespace {

// CLI11 reads a value that begins with '[' and ends with ']' as a list and takes it apart at its commas, but here such
// a value is a text ("[a, b]") or a token ("[PAD]"). A mark behind the last bracket hides it from that rule, and every
// option takes the mark off again.
constexpr char kMark = '\x1f';

std::vector<std::string> marked_arguments(int argc, char** argv) {
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  for (std::string& argument : arguments) {
    if (argument.ends_with(']') || argument.ends_with(kMark)) argument += kMark;
  }
  std::reverse(arguments.begin(), arguments.end());  // the order in which CLI11 wants them
  return arguments;
}

std::string without_mark(std::string text) {
  std::erase(text, kMark);
  return text;
}

void take_marks_off(CLI::App& app) {
  const CLI::Validator strip(
      [](std::string& value) {
        if (value.ends_with(kMark)) value.pop_back();
        return std::string();
      },
      "");
  for (CLI::Option* option : app.get_options()) {
    if (option->get_items_expected_max() > 0) option->transform(strip);
  }
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) take_marks_off(*command);
}

// The help page: one column of names, one of texts broken to the terminal's width, each default at its text's end.
class HelpFormatter : public CLI::Formatter {
 public:
  static constexpr size_t kNamesWidth = 32;
  HelpFormatter() { column_width(kNamesWidth); }

  std::string make_option_opts(const CLI::Option* option) const override {
    if (!option->get_option_text().empty()) return ' ' + option->get_option_text();
    if (option->get_type_size() == 0 || option->get_positional()) return {};
    return ' ' + option->get_type_name();
  }
  std::string make_option_desc(const CLI::Option* option) const override {
    std::string text = option->get_description();
    if (!option->get_default_str().empty()) text += fmt::format(" [{}]", option->get_default_str());
    return broken(text);
  }
  std::string make_subcommand(const CLI::App* command) const override {
    std::ostringstream out;
    CLI::detail::format_help(out, command->get_name(), broken(command->get_description()), kNamesWidth);
    return out.str();
  }

 private:
  static std::string broken(const std::string& text) {
    const size_t width = std::clamp<size_t>(terminal_width(), kNamesWidth + 40, kNamesWidth + 90);
    std::string lines = wrap(text, width - kNamesWidth, 0);
    while (lines.ends_with('\n')) lines.pop_back();
    return lines;
  }
};

// The deepest subcommand that was named, for "see ... --help".
std::string command_path(const CLI::App& app) {
  std::string path = app.get_name();
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    path += ' ' + at->get_name();
  }
  return path;
}

// Of the deepest command that was named, without the last line's end.
std::string help_page(const CLI::App& app) {
  std::string page = app.help();
  while (page.ends_with('\n')) page.pop_back();
  return page;
}

}  // namespace

Option Option::required() const { return Option(option_->required()); }
Option Option::show_default() const { return Option(option_->capture_default_str()); }
Option Option::show_default(const std::string& text) const { return Option(option_->default_str(text)); }
Option Option::one_of(std::initializer_list<std::string> values) const {
  auto check = [known = std::vector<std::string>(values)](std::string& text) {
    if (std::find(known.begin(), known.end(), text) != known.end()) return std::string();
    return fmt::format("'{}' is none of {}", text, fmt::join(known, ", "));
  };
  return Option(option_->check(CLI::Validator(check, "")));
}
Option Option::range(double low, double high) const {
  auto check = [low, high](std::string& text) {
    double value = 0;
    if (CLI::detail::lexical_cast(text, value) && value >= low && value <= high) return std::string();
    return fmt::format("'{}' is not a number from {} to {}", text, low, high);
  };
  return Option(option_->check(CLI::Validator(check, "")));
}
Option Option::positive() const {
  auto check = [](std::string& text) {
    uint64_t value = 0;
    if (CLI::detail::lexical_cast(text, value) && value > 0) return std::string();
    return fmt::format("'{}' is not a whole number of 1 or more", text);
  };
  return Option(option_->check(CLI::Validator(check, "")));
}
Option Option::delimiter(char character) const { return Option(option_->delimiter(character)); }
Option Option::count(int least, int most) const { return Option(option_->expected(least, most)); }
Option Option::excludes(Option other) const { return Option(option_->excludes(other.option_)); }
Option Option::type_name(const std::string& text) const { return Option(option_->type_name(text)); }
Option Option::option_text(const std::string& text) const { return Option(option_->option_text(text)); }
bool Option::given() const { return option_->count() > 0; }

Command Command::subcommand(const std::string& name, const std::string& help) const {
  return Command(app_->add_subcommand(name, help));
}
void Command::require_subcommand() const { app_->require_subcommand(1); }
Option Command::option(const std::string& names, std::string& variable, const std::string& help) const {
  return Option(app_->add_option(names, variable, help));
}
Option Command::option(const std::string& names, size_t& variable, const std::string& help) const {
  return Option(app_->add_option(names, variable, help)->type_name("N"));
}
Option Command::option(const std::string& names, float& variable, const std::string& help) const {
  return Option(app_->add_option(names, variable, help)->type_name("X"));
}
Option Command::option(const std::string& names, double& variable, const std::string& help) const {
  return Option(app_->add_option(names, variable, help)->type_name("X"));
}
Option Command::option(const std::string& names, std::optional<std::string>& variable, const std::string& help) const {
  return Option(app_->add_option(names, variable, help));
}
Option Command::option(const std::string& names, std::vector<std::string>& variable, const std::string& help) const {
  return Option(app_->add_option(names, variable, help));
}
Option Command::option(const std::string& names, std::vector<size_t>& variable, const std::string& help) const {
  return Option(app_->add_option(names, variable, help)->type_name("N,..."));
}
Option Command::flag(const std::string& names, bool& variable, const std::string& help) const {
  return Option(app_->add_flag(names, variable, help));
}
void Command::callback(std::function<void()> work) const { app_->callback(std::move(work)); }

CommandLine::CommandLine(const std::string& name, const std::string& description, const std::string& version,
                         const std::string& footer)
    : app_(std::make_unique<CLI::App>(description, name)) {
  app_->set_version_flag("--version", fmt::format("{} {}", name, version), "Print the version");
  app_->formatter(std::make_shared<HelpFormatter>());
  app_->require_subcommand(0, 1);
  app_->footer(footer);
}

CommandLine::~CommandLine() = default;

Command CommandLine::root() const { return Command(app_.get()); }

void CommandLine::run(int argc, char** argv) {
  take_marks_off(*app_);
  try {
    app_->parse(marked_arguments(argc, argv));
    const bool has_commands = !app_->get_subcommands([](CLI::App*) { return true; }).empty();
    if (has_commands && app_->get_subcommands().empty()) std::fputs((help_page(*app_) + '\n').c_str(), stdout);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() != 0) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{} (see '{} --help')", without_mark(e.what()), command_path(*app_)));
    }
    std::string page =
        dynamic_cast<const CLI::CallForVersion*>(&e) != nullptr ? std::string(e.what()) : help_page(*app_);
    std::fputs((page + '\n').c_str(), stdout);
  }
}

}  // namespace sextant::cli
