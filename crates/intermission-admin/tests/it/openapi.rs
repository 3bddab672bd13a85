//! The document that describes the API.

use serde_json::json;

use crate::site::Site;

#[tokio::test]
async fn every_endpoint_is_described_and_says_what_it_refuses() {
    let site = Site::new().await;
    let document = site.get("/openapi.json").await;
    assert!(
        document["openapi"].as_str().unwrap().starts_with("3.1"),
        "{}",
        document["openapi"]
    );
    assert_eq!(document["servers"][0]["url"], json!("/admin/maintenance"));
    let paths = document["paths"].as_object().unwrap();
    let mut described: Vec<String> = Vec::new();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().unwrap() {
            described.push(format!("{} {path}", method.to_uppercase()));
            let responses = operation["responses"].as_object().unwrap();
            for status in ["401", "403", "503"] {
                assert!(responses.contains_key(status), "{method} {path}: {status}");
            }
        }
    }
    described.sort();
    assert_eq!(
        described,
        [
            "DELETE /api/passes",
            "DELETE /api/passes/{id}",
            "GET /api/events",
            "GET /api/executions",
            "GET /api/explain",
            "GET /api/history",
            "GET /api/nodes",
            "GET /api/passes",
            "GET /api/status",
            "POST /api/activate",
            "POST /api/deactivate",
            "POST /api/passes",
            "PUT /api/allow-ips",
        ]
    );
    let body = &document["components"]["schemas"]["ActivateBody"];
    assert_eq!(body["additionalProperties"], json!(false), "{body}");
}
