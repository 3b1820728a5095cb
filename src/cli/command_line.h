// cli/command_line.h: commands, their options and flags: what the command line may say, and how it is read.
//
// A thin face of CLI11 (https://github.com/CLIUtils/CLI11), whose headers are heavy: only command_line.cc pays for
// them. Command and Option are handles; they may be copied and live as long as their CommandLine.
#pragma once

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace sextant::cli {

class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  Option required() const;
  // The help page shows the variable's present value, or TEXT, as the default.
  Option show_default() const;
  Option show_default(const std::string& text) const;
  Option one_of(std::initializer_list<std::string> values) const;
  Option range(double low, double high) const;
  // A whole number of 1 or more.
  Option positive() const;
  // A list in one argument, e.g. 256,128.
  Option delimiter(char character) const;
  Option count(int least, int most) const;
  Option excludes(Option other) const;
  // What the help page writes behind the name; option_text takes the place of all that it would say of values.
  Option type_name(const std::string& text) const;
  Option option_text(const std::string& text) const;

  // Whether the command line named it; to be asked in a callback.
  bool given() const;

 private:
  CLI::Option* option_;
};

class Command {
 public:
  explicit Command(CLI::App* app) : app_(app) {}

  Command subcommand(const std::string& name, const std::string& help) const;
  void require_subcommand() const;

  // NAMES as "--output,-o", or "TEXT" for an argument by position. The variable is written when the command line is
  // read, and keeps its value when the option is not given. Lists may be given as several arguments.
  Option option(const std::string& names, std::string& variable, const std::string& help) const;
  Option option(const std::string& names, size_t& variable, const std::string& help) const;
  Option option(const std::string& names, float& variable, const std::string& help) const;
  Option option(const std::string& names, double& variable, const std::string& help) const;
  Option option(const std::string& names, std::optional<std::string>& variable, const std::string& help) const;
  Option option(const std::string& names, std::vector<std::string>& variable, const std::string& help) const;
  Option option(const std::string& names, std::vector<size_t>& variable, const std::string& help) const;
  Option flag(const std::string& names, bool& variable, const std::string& help) const;

  // Called once the whole command line has been read and this command was named.
  void callback(std::function<void()> work) const;

 private:
  CLI::App* app_;
};

class CommandLine {
 public:
  CommandLine(const std::string& name, const std::string& description, const std::string& version,
              const std::string& footer);
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;
  ~CommandLine();

  Command root() const;
  // Reads the arguments and runs the named command's callback, and the root's; prints what --help and --version ask
  // for, or the help page where there are commands and none is named. Throws invalid_argument, naming the command whose
  // --help tells more; what callbacks throw passes through.
  void run(int argc, char** argv);

 private:
  std::unique_ptr<CLI::App> app_;
};

}  // namespace sextant::cli
