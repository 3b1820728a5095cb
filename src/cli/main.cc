#include "cli/app.h"

int main(int argc, char** argv) { return sextant::cli::run(argc, argv); }
