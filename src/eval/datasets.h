// eval/datasets.h: evaluation sets as they lie on disk, read into memory.
//
// Nothing is guessed silently: a row that does not fit its format is an error that names file and line; what is skipped
// because the format allows it (an unscored pair) is counted. .zst files are read as what they hold.
// Errors: not_found, corrupted (the bytes), invalid_argument (a format that cannot be told, a wrong column name).
// Memory: the whole set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace sextant::eval {

// --- semantic textual similarity: pairs with a gold score ---

struct StsPair {
  std::string a, b;
  double score;
};

struct StsDataset {
  std::string name;  // the file as it was named
  std::vector<StsPair> pairs;
  size_t unscored_count = 0;  // rows whose score is empty, skipped: SemEval leaves some out of its evaluation
};

// One file. Told apart by extension and shape:
//   STS Benchmark   tab-separated in spite of .csv; genre, file, year, id, score, a, b and sometimes two licence
//   columns SemEval .tsv    score, a, b .jsonl          score|label|similarity, a|sentence1|text1, b|sentence2|text2
//   .csv, .tsv      with a header that uses these names; .csv by RFC 4180
// In tab-separated files a quotation mark is a character like any other.
StsDataset read_sts_file(const std::filesystem::path& path);
// A file, or a folder's .csv, .tsv and .jsonl files in the order of their names, its subfolders included.
std::vector<StsDataset> read_sts(const std::filesystem::path& path);

// --- retrieval: documents, queries, judgements ---

struct Judgement {
  uint32_t document;  // index into RetrievalDataset::documents, or kUnknownDocument
  double gain;        // 0 or less: judged not relevant
};
// Judged, but not in the collection: it cannot be found and still counts as relevant, as in trec_eval.
inline constexpr uint32_t kUnknownDocument = UINT32_MAX;

struct RetrievalDataset {
  std::string name;
  std::string format;           // "Cranfield" or "BEIR"
  std::string judgements_name;  // the file they are from
  std::vector<std::string> document_ids;
  std::vector<std::string> documents;  // title + " " + text, stripped of white space at both ends
  std::vector<std::string> query_ids;  // of queries with at least one judgement
  std::vector<std::string> queries;
  std::vector<std::vector<Judgement>> judgements;  // parallel to queries
  size_t unjudged_query_count = 0;                 // queries without a judgement, left out
  size_t unknown_query_count = 0;                  // queries that are judged and not there, left out
  size_t unknown_document_count = 0;               // judgements of kUnknownDocument
};

struct RetrievalReadOptions {
  std::string split = "test";  // BEIR: qrels/SPLIT.tsv
};

// A folder:
//   Cranfield  cran.all.1400, cran.qry, cranqrel. A query's number is its position in cran.qry, not its ".I"; every
//              listed judgement is relevant with gain 1, whatever its code.
//   BEIR       corpus.jsonl {_id, title, text}, queries.jsonl {_id, text}, qrels/SPLIT.tsv with a header
RetrievalDataset read_retrieval(const std::filesystem::path& folder, const RetrievalReadOptions& options = {});

// --- classification: labelled texts for training and for testing ---

struct LabelledTexts {
  std::vector<std::string> texts;
  std::vector<uint32_t> labels;  // index into ClassificationDataset::label_names
};

struct ClassificationDataset {
  std::string name;
  std::vector<std::string> label_names;  // sorted as bytes
  LabelledTexts train;
  LabelledTexts test;
};

struct ClassificationReadOptions {
  // Column or field names; empty: the first of text, sentence, utterance, query, content / label, category, intent,
  // label_text, class that is there.
  std::string text_column = {};
  std::string label_column = {};
};

// A folder with train.X and test.X, X being csv (RFC 4180), tsv or jsonl; or one .json file of the form
// {"train": [[text, label], ...], "test": [...]} as CLINC150 has it, other keys ignored.
// A csv without a header is taken as label, text[, more text] when its first cell is a whole number.
ClassificationDataset read_classification(const std::filesystem::path& path,
                                          const ClassificationReadOptions& options = {});

}  // namespace sextant::eval
